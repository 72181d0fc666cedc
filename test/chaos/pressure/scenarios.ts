import { appendsInFlight } from './appends-in-flight';
import { diskFull } from './disk-full';
import { largeLog } from './large-log';
import { manyStreams } from './many-streams';
import type { PressureScenario } from './scenario';
import { slowSubscribers } from './slow-subscribers';

export const pressureScenarios: readonly PressureScenario[] = [
  slowSubscribers,
  appendsInFlight,
  manyStreams,
  largeLog,
  diskFull,
];

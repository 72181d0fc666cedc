import { runProcess } from '../../shared/process/run-process';
import { startConsole } from './start-console';

runProcess('console', startConsole);

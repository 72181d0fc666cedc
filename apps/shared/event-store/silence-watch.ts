/** Tells when the other side, and not the consumer of what it sends, has kept us waiting for too long. */
export class SilenceWatch {
  private waitingSince: number | null = Date.now();
  private readonly timer: NodeJS.Timeout;

  constructor(silenceMs: number, onSilence: () => void) {
    this.timer = setInterval(() => {
      if (this.waitingSince !== null && Date.now() - this.waitingSince >= silenceMs) onSilence();
    }, silenceMs / 4);
  }

  /** Something came; until {@link resume}, the consumer is at work. */
  pause(): void {
    this.waitingSince = null;
  }

  resume(): void {
    this.waitingSince = Date.now();
  }

  stop(): void {
    clearInterval(this.timer);
  }
}

/** Sessions end after a while; one that is used is renewed before that. */

/** After a failure, the next attempt waits. */
const PATIENCE = 60_000;

/** Decides when to renew: when somebody does something and less than half of the longest time ever seen is left. */
export class Renewal {
  private ends: number | undefined;
  private longest = 0;
  private notBefore = 0;

  constructor(private readonly renew: () => Promise<unknown>) {}

  /** Learns when the session ends. */
  learn(ends: string | null | undefined, now = Date.now()): void {
    this.ends = ends ? new Date(ends).getTime() : undefined;
    if (this.ends !== undefined) this.longest = Math.max(this.longest, this.ends - now);
  }

  /** Somebody did something. */
  used(now = Date.now()): void {
    if (this.ends === undefined || now < this.notBefore || now >= this.ends || this.ends - now > this.longest / 2) return;
    this.notBefore = now + PATIENCE;
    // Whoever is signed out learns of it by what they do next.
    void this.renew().catch(() => undefined);
  }
}

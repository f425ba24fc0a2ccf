import { setTimeout as pause } from "node:timers/promises";

/** The first true value of `condition`, asked again and again for 100 seconds. */
export async function until<T>(condition: () => T | Promise<T>): Promise<T> {
  const end = performance.now() + 100_000;
  while (performance.now() < end) {
    const value = await condition();
    if (value) return value;
    await pause(50);
  }
  throw new Error("Not within 100 s");
}

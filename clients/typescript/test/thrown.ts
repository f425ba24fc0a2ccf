/** What `promise` is rejected with; a promise that is kept is what nobody expects here. */
export async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ("error" in outcome) return outcome.error;
  throw new Error(`Nothing was thrown, but ${JSON.stringify(outcome.value)} returned`);
}

/** Waits for an act, and fails where it takes longer than so many milliseconds. */
export async function withinTime(act: Promise<void>, timeout: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${timeout} ms`)), timeout);
  });
  await Promise.race([act, late]).finally(() => clearTimeout(timer));
}

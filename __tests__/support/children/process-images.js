// @ts-check
// Processes image files, and says of each, as a line of JSON, what came of it, how long it took, and the most memory so far.
import { readFileSync } from 'node:fs';
import { SharpProcessor } from 'filedepot';

const processor = new SharpProcessor();
const [width, ...paths] = process.argv.slice(2);
const renditions = [
  /** @type {const} */ ({ width: Number(width), height: Number(width), fit: 'inside', format: 'webp' }),
  /** @type {const} */ ({ width: 200, height: 200, fit: 'cover', format: 'jpeg' }),
];

for (const path of paths) {
  const begun = performance.now();
  const outcome = await processor.process({ path }, { renditions, placeholder: true }).then(
    () => 'processed',
    (error) => error.code,
  );
  const milliseconds = Math.round(performance.now() - begun);
  console.log(JSON.stringify({ outcome, milliseconds, megabytes: peakMegabytes() }));
}

/** `resourceUsage` would count the memory of the process that started this one. */
function peakMegabytes() {
  const [, kilobytes] = /^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}

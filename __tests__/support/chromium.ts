import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * The Chromium of this machine: `CHROMIUM_PATH`, else the usual place, else what PATH has.
 * Where there is none, the tests are skipped and say so; with `CI=true` that is a failure.
 */
export function findChromium(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const places = names.flatMap((name) => ['/usr/bin', ...folders].map((folder) => join(folder, name)));
  const found = [process.env.CHROMIUM_PATH, ...places].find((path) => path && isExecutable(path));
  if (!found && process.env.CI === 'true')
    throw new Error('There is no Chromium; CHROMIUM_PATH can name one');
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: QUIET });
}

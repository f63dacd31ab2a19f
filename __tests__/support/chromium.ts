import { type Browser, chromium } from 'playwright-core';
import { findExecutable, isExecutable } from './executables.js';

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
  const named = process.env.CHROMIUM_PATH;
  const usual = () => findExecutable(['chromium', 'chromium-browser', 'google-chrome'], '/usr/bin');
  const found = named && isExecutable(named) ? named : usual();
  if (!found && process.env.CI === 'true')
    throw new Error('There is no Chromium; CHROMIUM_PATH can name one');
  return found;
}

export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: QUIET });
}

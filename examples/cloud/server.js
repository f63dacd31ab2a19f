// @ts-check
// The page of ../basic with files in the cloud: browsers fetch them from there, by URLs that are signed for an hour.

import { start } from '../basic/application.js';

const { DEPOT_URL } = process.env;

/**
 * Where images come from: the server that the URL names, else those of the cloud.
 * @param {string} url
 */
function imageSourcesOf(url) {
  const endpoint = new URLSearchParams(url.split('?')[1]).get('endpoint');
  return endpoint && URL.canParse(endpoint) ? new URL(endpoint).origin : 'https:';
}

if (DEPOT_URL) {
  await start({ url: DEPOT_URL, imageSources: imageSourcesOf(DEPOT_URL) });
} else {
  console.error('DEPOT_URL must say where the files are, e.g. s3://bucket/folder?region=eu-west-1');
  process.exitCode = 1;
}

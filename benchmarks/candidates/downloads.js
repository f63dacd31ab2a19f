// @ts-check
import { join } from 'node:path';
import express from 'express';

/** @param {string} folder */
export async function expressStatic(folder) {
  return express().use(express.static(join(folder, 'plain')));
}

/** @param {string} folder */
export async function filedepot(folder) {
  const { DepotManager } = await import('./filedepot.js');
  const depot = new DepotManager();
  depot.configure('files', { backend: 'local', storagePath: join(folder, 'depot') });
  return express().use(depot.middleware());
}

/** In production mode: it knows its files from the start. @param {string} folder */
export async function sirv(folder) {
  const { default: sirv } = await import('sirv');
  return express().use(sirv(join(folder, 'plain'), { etag: true }));
}

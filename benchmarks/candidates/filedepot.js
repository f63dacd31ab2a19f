// @ts-check
/** The package as it is built. */
export * from '../../dist/index.js';

import { availableParallelism } from 'node:os';

/** Tests run the TypeScript sources as native ES modules; swc only strips the types. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/__tests__'],
  testMatch: ['**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'es6' } },
    ],
  },
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^filedepot$': '<rootDir>/lib/index.ts',
    '^filedepot/testing$': '<rootDir>/lib/testing/index.ts',
    '^filedepot/([a-z-]+)$': '<rootDir>/lib/attachments/orm/$1.ts',
  },
  testTimeout: 30_000,
  // Much of the time is spent waiting for servers: more workers than cores, where jest would leave a core free.
  maxWorkers: availableParallelism() + 1,
  reporters: ['default', '<rootDir>/__tests__/support/conformance-table.js'],
};

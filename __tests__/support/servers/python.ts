import { programFor } from './missing-program.js';

/**
 * The path of a Python interpreter whose environment has `filedepot`, `boto3`, `pymongo` and `google-cloud-storage`: that
 * of `DEPOT_TEST_PYTHON`, or one of the tests' own.
 * @throws MissingProgramError
 */
export function pythonWithDepot(): string {
  return process.env.DEPOT_TEST_PYTHON || programFor('python');
}

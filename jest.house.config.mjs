import base from './jest.config.mjs';

// The house rules read files only: no servers, so that `npm run check` stays quick.
const { globalSetup: _setup, globalTeardown: _teardown, ...rest } = base;

export default { ...rest, testMatch: ['<rootDir>/test/house.test.ts'] };

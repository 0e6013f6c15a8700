import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import { OPERATIONS } from '../../api/operations.ts';
import { openTestApi, type TestApi } from './server.ts';

/** The reference page in a real browser, which has to be on this machine: none is fetched. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const BROWSER = process.env.MALIPO_TEST_BROWSER ?? findOnPath(NAMES);

function findOnPath(names: readonly string[]): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return paths.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api.close());

// Without what a browser asks of its maker by itself.
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

// reason: no browser on this machine; MALIPO_TEST_BROWSER names one
const inBrowser = BROWSER === null ? test.skip : test;

inBrowser(
  'shows every operation, and asks nothing of any other machine',
  async () => {
    const browser = await chromium.launch({ executablePath: BROWSER ?? '', args: QUIET });
    try {
      const page = await browser.newPage();
      const asked: string[] = [];
      const complaints: string[] = [];
      page.on('request', (request) => asked.push(request.url()));
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (line) => {
        if (line.type() === 'error') complaints.push(line.text());
      });
      await page.goto(`${api.url}/docs`);
      await page.waitForSelector('.opblock');
      expect(await page.locator('.opblock').count()).toBeGreaterThanOrEqual(OPERATIONS.length);
      expect(await page.locator('text=Start a payment').count()).toBeGreaterThan(0);
      const elsewhere = asked.filter(
        (url) => !url.startsWith(`${api.url}/`) && !url.startsWith('data:'),
      );
      expect(elsewhere).toEqual([]);
      expect(asked).toContain(`${api.url}/openapi.json`);
      expect(complaints).toEqual([]);
    } finally {
      await browser.close();
    }
  },
  60_000,
);

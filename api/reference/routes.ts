import type { ApiDeps } from '../deps.ts';
import { ApiError, isProblemCode, PROBLEM_CODES } from '../errors.ts';
import { declare, type Operation, type Reply } from '../operation.ts';
import { describeApi } from './openapi.ts';
import { findPageFile, REFERENCE_CSP, REFERENCE_PAGE, renderProblems } from './pages.ts';
import { describeCollection } from './postman.ts';

const tag = 'Reference';
const access = { kind: 'open' } as const;
const HTML = 'text/html';
const html = (description: string) => ({ 200: { description, contentType: HTML } });

/** The document, its page, and pages about problems. @param list all operations, these too. */
export function createReferenceOperations(list: () => readonly Operation[]): readonly Operation[] {
  const common = { method: 'get', tag, access } as const;
  const answers = (example: object) => ({
    200: { description: 'The document', contentType: 'application/json', example },
  });
  return [
    declare({
      ...common,
      id: 'getOpenApi',
      path: '/openapi.json',
      summary: 'This API in OpenAPI 3.1',
      answers: answers({ openapi: '3.1.0', info: { title: 'Malipo', version: 'v1' }, paths: {} }),
      handle: serveDocument((publicUrl) => describeApi(list(), publicUrl)),
    }),
    declare({
      ...common,
      id: 'getPostman',
      path: '/postman.json',
      summary: 'This API as a Postman collection',
      answers: answers({ info: { name: 'Malipo' }, variable: [], item: [] }),
      handle: serveDocument((publicUrl) => describeCollection(list(), publicUrl)),
    }),
    ...PAGES,
  ];
}

/** Made once for each address that it is served under. */
function serveDocument(describe: (publicUrl: string) => object) {
  const documents = new Map<string, string>();
  return ({ publicUrl }: Pick<ApiDeps, 'publicUrl'>): Promise<Reply> => {
    const body = documents.get(publicUrl) ?? JSON.stringify(describe(publicUrl));
    documents.set(publicUrl, body);
    return Promise.resolve({ status: 200, body });
  };
}

const PAGES: readonly Operation[] = [
  declare({
    id: 'getDocs',
    method: 'get',
    path: '/docs',
    tag,
    summary: 'This API as a page',
    access,
    answers: html('The page'),
    handle: () =>
      Promise.resolve({
        status: 200,
        body: REFERENCE_PAGE,
        headers: { 'Content-Security-Policy': REFERENCE_CSP },
      }),
  }),
  declare({
    id: 'getDocsFile',
    method: 'get',
    path: '/docs/{file}',
    tag,
    summary: 'A file of that page',
    access,
    answers: { 200: { description: 'The file', contentType: '*/*' } },
    handle(_deps, { param }) {
      const file = findPageFile(param('file'));
      if (file === null) throw new ApiError('not_found', 'the page has no such file');
      return Promise.resolve({
        status: 200,
        body: file.body,
        headers: { 'Content-Type': file.contentType, 'Cache-Control': 'public, max-age=3600' },
      });
    },
  }),
  declare({
    id: 'listProblems',
    method: 'get',
    path: '/problems',
    tag,
    summary: 'All problems, and how to mend them',
    access,
    answers: html('A page'),
    handle: () => Promise.resolve({ status: 200, body: renderProblems(PROBLEM_CODES) }),
  }),
  declare({
    id: 'getProblem',
    method: 'get',
    path: '/problems/{code}',
    tag,
    summary: 'A problem, and how to mend it',
    access,
    answers: html('A page'),
    handle(_deps, { param }) {
      const code = param('code');
      if (!isProblemCode(code)) throw new ApiError('not_found', 'no problem has this code');
      return Promise.resolve({ status: 200, body: renderProblems([code]) });
    },
  }),
];

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PROBLEMS, type ProblemCode } from '../errors.ts';

/** Swagger UI's own files, from its package: the page works without the internet. */
const FILES = {
  'swagger-ui-bundle.js': 'text/javascript',
  'swagger-ui.css': 'text/css',
  'favicon-32x32.png': 'image/png',
} as const;

export type PageFile = { readonly contentType: string; readonly body: Buffer };
const require = createRequire(import.meta.url);
const read = new Map<string, PageFile>();

/** A file that the reference page loads; null for any other name. */
export function findPageFile(name: string): PageFile | null {
  if (name === 'start.js') return { contentType: 'text/javascript', body: Buffer.from(START) };
  if (!isPageFile(name)) return null;
  const found = read.get(name) ?? {
    contentType: FILES[name],
    body: readFileSync(require.resolve(`swagger-ui-dist/${name}`)),
  };
  read.set(name, found);
  return found;
}

function isPageFile(name: string): name is keyof typeof FILES {
  return Object.hasOwn(FILES, name);
}

/**
 * `validatorUrl` null: nothing is sent to a validator elsewhere. A key that is typed in is gone
 * with the page: what the browser stores is there for whoever uses it next.
 */
const START = `window.ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
`;

export const REFERENCE_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Malipo: API reference</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<main id="reference"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

/** Swagger UI styles by attributes and draws with data: images; everything is our own origin's. */
export const REFERENCE_CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
  "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/** The page that the `type` of a problem points to; all of them where no code is given. */
export function renderProblems(codes: readonly ProblemCode[]): string {
  const parts = codes.map((code) => {
    const { status, title, retryable, remedy } = PROBLEMS[code];
    const again = retryable ? 'The same request may work later.' : 'The same request fails again.';
    return `<h2 id="${code}">${code}</h2>\n<p><b>${status}</b> ${title}.</p>\n<p>${remedy} ${again}</p>`;
  });
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Malipo: problems</title></head>
<body>
<h1>Problems</h1>
${parts.join('\n').replaceAll(/`([^`]+)`/g, '<code>$1</code>')}
</body>
</html>
`;
}

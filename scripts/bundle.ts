import { loadWorkflowBundle } from '../worker/bundle.ts';

/** Bundles the workflows for images whose file system is read-only at run time. */
const bundle = await loadWorkflowBundle();
if (!('codePath' in bundle)) throw new Error('the bundle could not be kept in node_modules/.cache');
console.log(`the workflows are bundled: ${bundle.codePath}`);

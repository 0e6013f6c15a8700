import { loadWorkflowBundle } from '../worker/bundle.ts';

/** Bundles the workflows for images whose file system is read-only at run time. */
const { codePath } = await loadWorkflowBundle();
console.log(`the workflows are bundled: ${codePath}`);

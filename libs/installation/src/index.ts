export * from './data-folder.js';
export * from './demo-files.js';
export * from './secret-files.js';

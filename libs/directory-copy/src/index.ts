export * from './directory-copy.js';

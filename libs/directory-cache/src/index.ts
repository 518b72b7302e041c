export * from './directory-cache.js';

export { RefusalCache, type CacheableRequest } from './refusal-cache.js';

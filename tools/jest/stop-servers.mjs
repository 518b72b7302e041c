/** Jest's `globalTeardown`: ends what `start-servers.mjs` has started. */
export { stopServers as default } from './start-servers.mjs';

import { type Permission } from '../api/session.js';
import { texts } from '../texts/texts.js';

/** The entries of the navigation, each with the permissions of which its page needs one. */
export const NAVIGATION = [
  { to: '/', title: texts.pages.overview, permissions: ['read', 'audit'] },
  { to: '/live', title: texts.pages.live, permissions: ['audit'] },
  { to: '/subjects', title: texts.pages.subjects, permissions: ['read'] },
  { to: '/attacks', title: texts.pages.attacks, permissions: ['audit'] },
  { to: '/tenants', title: texts.pages.tenants, permissions: ['read'] },
  { to: '/audit', title: texts.pages.audit, permissions: ['audit'] },
  { to: '/webhooks', title: texts.pages.webhooks, permissions: ['read'] },
] as const satisfies readonly { to: string; title: string; permissions: readonly Permission[] }[];

import { en } from './en.js';

/** The texts of the page. Another language is another file with the same fields. */
export type ConsoleTexts = typeof en;

export const texts: ConsoleTexts = en;

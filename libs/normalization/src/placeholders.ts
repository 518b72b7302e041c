/**
 * Texts that language models and voice platforms send for a missing argument, in lower case, without spaces and
 * punctuation. Words that are more likely an answer or an id ("default", "test") are not included.
 */
const PLACEHOLDERS: ReadonlySet<string> = new Set(
  [
    '',
    'null nil nul none undefined undef unknown unspecified unavailable empty blank missing na nan',
    'notavailable notapplicable notprovided notgiven notspecified notknown notset notsupplied notstated novalue noanswer',
    'noneprovided nonegiven nodata unknownvalue',
    // Spanish, French, German
    'nulo nula ninguno ninguna desconocido desconocida vacio nodisponible noproporcionado noaplica sindato sindatos',
    'aucun aucune inconnu inconnue neant nondisponible nonfourni nonrenseigne nonapplicable',
    'kein keine keiner keines keins unbekannt nichtangegeben nichtbekannt nichtvorhanden nichtverfugbar keineangabe',
  ].flatMap((line) => line.split(' ')),
);
/** An unfilled template variable: `${args.pin}`, `%{args.pin}`, `{{customer_id}}`, `<customer_id>`. */
const TEMPLATE = /^(?:[$%]?\{{1,2}\s*[\p{L}_][^{}]*\}{1,2}|<\s*[\p{L}_][^<>]*>)$/u;
/** "n/a", "n/d", "s/d", "n. c.", "k. A.": only with punctuation, because "nd" can be an id. */
const ABBREVIATION = /^(?:n ?[/.] ?[acd]|s ?\/ ?[dn]|k ?\. ?a)\.?$/;
/** Names of people that equal a placeholder except for their case. */
const NAMES: ReadonlySet<string> = new Set(['Na', 'Nan', 'Nil']);
/** Longest text that can be a placeholder. */
const MAX_LENGTH = 64;

/** Whether a text stands for a missing argument: `null`, `None`, `N/A`, `unknown`, `-`, an empty text. */
export function isPlaceholder(text: string): boolean {
  const plain = text
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, '')
    .trim();
  if (plain.length > MAX_LENGTH || NAMES.has(plain)) return false;
  const small = plain.toLowerCase();
  return TEMPLATE.test(plain) || ABBREVIATION.test(small) || PLACEHOLDERS.has(small.replace(/[\s\p{P}\p{S}]/gu, ''));
}

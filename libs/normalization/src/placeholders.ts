/**
 * What language models and the code around them write for an argument that was not given, in lower case and without
 * spaces and punctuation. Words that are likelier as somebody's answer or id ("default", "test") are not here.
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
/** A variable that nobody filled in: `${args.pin}`, `%{args.pin}`, `{{customer_id}}`, `<customer_id>`. */
const TEMPLATE = /^(?:[$%]?\{{1,2}\s*[\p{L}_][^{}]*\}{1,2}|<\s*[\p{L}_][^<>]*>)$/u;
/** "n/a", "n/d", "s/d", "n. c.", "k. A.": without their marks they could be an id. */
const ABBREVIATION = /^(?:n ?[/.] ?[acd]|s ?\/ ?[dn]|k ?\. ?a)\.?$/;
/** Names that people have. */
const NAMES: ReadonlySet<string> = new Set(['Na', 'Nan', 'Nil']);
/** Longest text that can be one. */
const LONGEST = 64;

/** Whether a text stands for an argument that was not given: `null`, `None`, `N/A`, `unknown`, `-`, an empty text. */
export function isPlaceholder(text: string): boolean {
  const plain = text
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, '')
    .trim();
  if (plain.length > LONGEST || NAMES.has(plain)) return false;
  const small = plain.toLowerCase();
  return TEMPLATE.test(plain) || ABBREVIATION.test(small) || PLACEHOLDERS.has(small.replace(/[\s\p{P}\p{S}]/gu, ''));
}

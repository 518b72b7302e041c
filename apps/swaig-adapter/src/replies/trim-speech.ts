/** What callers, models and keypads put before digits, in the four languages: without accents, one word each. */
const BEFORE = words(`
  dtmf digit digits keypad keypress keys key tones tone pressed press entered enter input entry typed dialed dialled
  user caller customer client account member id pin passcode passkey code codes number numbers num secret security social
  ssn zip postal date birth dob born my your the this that it its s is are was of on im said says number
  mi su el la los las es son codigo clave numero numeros digito digitos cifra cifras tecla teclas teclado contrasena
  cliente cuenta marcado marcados pulsado pulsados del de fecha nacimiento
  mon ma le les est sont c cest code numero numeros chiffre chiffres touche touches clavier saisi saisie identifiant
  compte postal naissance du
  mein meine meinen ist sind die der das den lautet lauten nummer nummern ziffer ziffern taste tasten tastatur eingabe
  eingegeben gedruckt geheimzahl kennzahl kundennummer kontonummer kunde konto postleitzahl geburtsdatum`);
/** What follows them: how a keypad entry ends, in words, and thanks. */
const AFTER = words(`
  pound hash hashtag octothorpe star asterisk sign key then press the and followed by please thanks thank you
  almohadilla numeral gato asterisco estrella por favor gracias
  diese etoile asterisque merci
  raute rautetaste rautezeichen doppelkreuz stern sterntaste sternchen bitte danke`);

const MARKS = String.raw`\s"'\u2018-\u201f\u00ab\u00bb\u2039\u203a\u0060\u00b4()\[\]{}<>`;
/** Number sign and asterisk, as keypads, fonts and scripts have them. */
const KEYS = String.raw`#\uff03\ufe5f\u266f*\uff0a\ufe61\u2217\u204e\u2731`;
const LEADING_MARKS = new RegExp(`^[${MARKS}${KEYS}]+`, 'u');
const LEADING_WORDS = new RegExp(
  String.raw`^(?:[${MARKS}${KEYS}:=.,;_/|\p{Pd}]*(?:${BEFORE})(?![a-z]))+[${MARKS}${KEYS}:=.,;_/|\p{Pd}]*`,
  'u',
);
const TRAILING = new RegExp(
  String.raw`(?:[${MARKS}${KEYS}.,;:!?\u2026\u3002\uff0e\uff01]|(?<![a-z])(?:${AFTER})(?![a-z]))+$`,
  'u',
);

/** Marks that nobody sees: direction marks, zero-width characters, soft hyphens, variation selectors, byte order marks. */
const INVISIBLE = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;

/** The text without invisible characters. */
export function withoutInvisible(text: string): string {
  return text.replace(INVISIBLE, '');
}

/**
 * What was said or keyed in, without what surrounds it: "DTMF: 4829#" is "4829", "My PIN is 48 29, please." is "48 29".
 * Lower case, without accents. Nothing else is unified: a superscript two is no two.
 */
export function trimSpeech(text: string): string {
  const plain = withoutInvisible(text).toLowerCase().normalize('NFD').replace(/\p{M}/gu, '').replace(/ß/g, 'ss');
  return plain.replace(TRAILING, '').replace(LEADING_WORDS, '').replace(LEADING_MARKS, '');
}

/** Alternatives of a regular expression, the longest first. */
function words(text: string): string {
  return [...new Set(text.trim().split(/\s+/))].sort((a, b) => b.length - a.length).join('|');
}

/** Words that callers, models and keypads put before digits, in the four languages and without accents. */
const LEADING = alternatives(`
  dtmf digit digits keypad keypress keys key tones tone pressed press entered enter input entry typed dialed dialled
  user caller customer client account member id pin passcode passkey code codes number numbers num secret security social
  ssn zip postal date birth dob born my your the this that it its s is are was of on im said says number
  mi su el la los las es son codigo clave numero numeros digito digitos cifra cifras tecla teclas teclado contrasena
  cliente cuenta marcado marcados pulsado pulsados del de fecha nacimiento
  mon ma le les est sont c cest code numero numeros chiffre chiffres touche touches clavier saisi saisie identifiant
  compte postal naissance du
  mein meine meinen ist sind die der das den lautet lauten nummer nummern ziffer ziffern taste tasten tastatur eingabe
  eingegeben gedruckt geheimzahl kennzahl kundennummer kontonummer kunde konto postleitzahl geburtsdatum`);
/** Words that follow the digits: the key that ends a keypad entry, and thanks. */
const FOLLOWING = alternatives(`
  pound hash hashtag octothorpe star asterisk sign key then press the and followed by please thanks thank you
  almohadilla numeral gato asterisco estrella por favor gracias
  diese etoile asterisque merci
  raute rautetaste rautezeichen doppelkreuz stern sterntaste sternchen bitte danke`);

const MARKS = String.raw`\s"'\u2018-\u201f\u00ab\u00bb\u2039\u203a\u0060\u00b4()\[\]{}<>`;
/** The Unicode variants of the number sign and the asterisk. */
const KEYS = String.raw`#\uff03\ufe5f\u266f*\uff0a\ufe61\u2217\u204e\u2731`;
const LEADING_MARKS = new RegExp(`^[${MARKS}${KEYS}]+`, 'u');
const LEADING_WORDS = new RegExp(
  String.raw`^(?:[${MARKS}${KEYS}:=.,;_/|\p{Pd}]*(?:${LEADING})(?![a-z]))+[${MARKS}${KEYS}:=.,;_/|\p{Pd}]*`,
  'u',
);
const TRAILING = new RegExp(
  String.raw`(?:[${MARKS}${KEYS}.,;:!?\u2026\u3002\uff0e\uff01]|(?<![a-z])(?:${FOLLOWING})(?![a-z]))+$`,
  'u',
);

/** Invisible characters: direction marks, zero-width characters, soft hyphens, variation selectors, byte order marks. */
const INVISIBLE = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;

/** Removes invisible characters. */
export function removeInvisible(text: string): string {
  return text.replace(INVISIBLE, '');
}

/**
 * Removes the words and marks around a spoken or keyed value: "DTMF: 4829#" becomes "4829", "My PIN is 48 29, please."
 * becomes "48 29". The result is in lower case and without accents. Compatibility characters stay: a superscript two is
 * no digit.
 */
export function trimSpeech(text: string): string {
  const plain = removeInvisible(text).toLowerCase().normalize('NFD').replace(/\p{M}/gu, '').replace(/ß/g, 'ss');
  return plain.replace(TRAILING, '').replace(LEADING_WORDS, '').replace(LEADING_MARKS, '');
}

/** The words as alternatives of a regular expression, the longest first. */
function alternatives(text: string): string {
  return [...new Set(text.trim().split(/\s+/))].sort((a, b) => b.length - a.length).join('|');
}

import fc from 'fast-check';
import { normalizeAnswer } from './answers.js';

const said = (text: string): string | undefined => normalizeAnswer({ kind: 'text' }, text);

/** Every assigned character with a Unicode property, in the Unicode version of this Node. */
function charactersWith(property: RegExp): string[] {
  const found: string[] = [];
  for (let point = 0; point <= 0x10ffff; point++) {
    if (point === 0xd800) point = 0xe000;
    const character = String.fromCodePoint(point);
    if (property.test(character)) found.push(character);
  }
  return found;
}

const LATIN_LETTERS = charactersWith(/(?=\p{Script=Latin})\p{L}/u);
const MARKS = charactersWith(/\p{M}/u);
const LIKE_LATIN = /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}]/u;

describe('the form in which text answers are compared', () => {
  it.each([
    ['Thai', 'กิน', 'กัน'],
    ['Thai with and without a vowel', 'กิน', 'กน'],
    ['Devanagari', 'कि', 'की'],
    ['Devanagari nukta', 'क़लम', 'कलम'],
    ['Bengali', 'কি', 'কী'],
    ['Tamil', 'கி', 'கீ'],
    ['Katakana', 'ガス', 'カス'],
    ['Katakana, half width', 'ｶﾞｽ', 'ｶｽ'],
    ['Hiragana', 'ぱん', 'はん'],
    ['Hangul', '강', '간'],
    ['Hangul without its final', '강', '가'],
    ['Khmer', 'កា', 'កិ'],
    ['Tibetan', 'ཀི', 'ཀུ'],
    ['Thaana', 'މަ', 'މި'],
    ['Arabic hamza', 'سأل', 'سال'],
    ['Latin and Thai in one answer', 'Ann กิน', 'Ann กัน'],
  ])('distinguishes words by marks that act as letters: %s', (_script, one, other) => {
    expect(said(one)).toBeDefined();
    expect(said(one)).not.toBe(said(other));
  });

  it.each([
    ['Latin accents', 'Zoë Müller-Núñez', 'zoe mullernunez'],
    ['Vietnamese', 'Nguyễn Thị Đặng', 'Nguyen Thi Dang'],
    ['Greek accents', 'Μαΐου', 'Μαιου'],
    ['Greek iota below', 'ᾳ', 'α'],
    ['Cyrillic accents', 'Фёдор', 'Федор'],
    ['Hebrew points', 'שָׁלוֹם', 'שלום'],
    ['Hebrew presentation forms', 'שׁלוֹם', 'שלום'],
    ['Arabic points', 'مُحَمَّد', 'محمد'],
    ['Arabic superscript alef', 'رَحْمٰن', 'رحمن'],
    ['Arabic tatweel', 'محـــمد', 'محمد'],
    ['Katakana of either width', 'ｶﾞｽ', 'ガス'],
    ['a voiced mark typed apart', 'カ゛ス', 'ガス'],
    ['Hangul in parts', '강'.normalize('NFD'), '강'],
    ['a Latin accent beside Devanagari', 'José कि', 'Jose कि'],
    ['invisible characters', 'A\u200bnn\u200d\u2060\ufe0f \u00adLee', 'Ann Lee'],
    ['Scandinavian letters', 'Søren Jørgensen', 'Soren Jorgensen'],
    ['letters of Iceland', 'Þórður Æsir', 'Thordur Aesir'],
    ['Polish, Croatian, Maltese', 'Łódź Đorđe Ħal', 'Lodz Dorde Hal'],
    ['Turkish and Azerbaijani', 'Işık ƏLİYEV', 'Isik eliyev'],
    ['ligatures', 'Œuvre ﬁn ß', 'oeuvre fin ss'],
    ['Hawaiian okina', 'Iʻolani', 'Iolani'],
    ['apostrophe that is a letter', 'DʼArcy', "D'Arcy"],
    ['saltillo', 'Nanꞌu', 'Nanu'],
    ['half rings', 'ʿAlī Riḍāʾ', "'Ali Rida"],
    ['clicks', 'ǃXóõ', '!Xoo'],
  ])('is the same for different spellings of one answer: %s', (_case, one, other) => {
    expect(said(one)).toBeDefined();
    expect(said(one)).toBe(said(other));
  });

  it('is ASCII for every letter of the Latin script in Unicode', () => {
    expect(LATIN_LETTERS.length).toBeGreaterThan(1300);
    const foreign = LATIN_LETTERS.filter((letter) => !/^x[a-z]*x$/.test(said(`x${letter}x`) ?? ''));
    expect(foreign).toEqual([]);
  });

  it('has a transliteration or nothing for every Latin letter that no decomposition changes, and loses only clicks', () => {
    const unchanged = LATIN_LETTERS.filter((letter) => letter.normalize('NFKD') === letter && letter > '\u007f');
    expect(unchanged.length).toBeGreaterThan(500);
    const lost = unchanged.filter((letter) => said(`x${letter}x`) === 'xx').map((letter) => letter.toLowerCase());
    // Clicks, glottal stops and their like, typed as punctuation or not at all.
    expect([...new Set(lost)].join('')).toBe('ǀǁǂǃɂʔʕʖʘʡʢʬʭᴤᴥꞌꞏ꟏𝼊𝼎');
  });

  it('removes every modifier letter without a script, except those that lengthen or repeat a letter', () => {
    const kept = charactersWith(/(?=\p{Lm})\p{Script=Common}/u).filter((letter) => said(`x${letter}x`) !== 'xx');
    // Length and repetition in Japanese and Javanese; half-width voiced marks are marks after decomposition.
    expect(kept.join('')).toBe('〱〲〳〴〵ーꧏｰﾞﾟ');
  });

  it('keeps every mark of a script in which marks act as letters, after any character', () => {
    const letters = MARKS.filter(
      (mark) =>
        !/[\p{Script=Inherited}\p{Script=Hebrew}\p{Script=Arabic}\p{Default_Ignorable_Code_Point}]/u.test(mark) &&
        !LIKE_LATIN.test(mark),
    );
    expect(letters.length).toBeGreaterThan(1500);
    expect(letters.filter((mark) => said(`क${mark}`) === said('क') || said(`a${mark}`) === 'a')).toEqual([]);
  });

  it('removes accents only from Latin, Greek and Cyrillic letters', () => {
    const bases = ['a', 'Ł', 'ω', 'ж'] as const;
    const accents = MARKS.filter((mark) => /^[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff]$/u.test(mark));
    for (const base of bases) {
      for (const accent of accents) expect([accent, said(base + accent)]).toEqual([accent, said(base)]);
    }
    for (const base of ['ก', 'カ', 'क', '강']) expect(said(`${base}\u0301`)).not.toBe(said(base));
  });

  const piece = fc.oneof(
    fc.constantFrom('a', 'É', 'ø', 'ß', 'ΐ', 'ς', 'й', 'ש', 'ا', 'ـ', 'ก', 'क', 'カ', 'ｶ', '강', 'ᄒ', 'ﷺ', '7', '٣'),
    fc.constantFrom(' ', '-', 'ʼ', '゛', 'ﾞ', '\u200d', '\ufe0f', '\ud83d\ude00', '\u00b4'),
    fc.constantFrom(...MARKS),
    fc.constantFrom(...LATIN_LETTERS),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
  );
  const mixed = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));

  it('normalizes to itself in any mixture of scripts', () => {
    fc.assert(
      fc.property(mixed, (text) => {
        const once = said(text);
        if (once !== undefined) expect(said(once)).toBe(once);
      }),
      { numRuns: 5000 },
    );
  });

  it('is the same for all Unicode normalization forms and for both cases of a text', () => {
    fc.assert(
      fc.property(mixed, (text) => {
        for (const form of ['NFC', 'NFD', 'NFKC'] as const) expect(said(text.normalize(form))).toBe(said(text));
        const plain = said(text);
        if (plain !== undefined) expect(said(plain.toUpperCase())).toBe(plain);
      }),
      { numRuns: 5000 },
    );
  });
});

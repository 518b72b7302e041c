/**
 * A text without the byte order mark that some editors and platforms put before UTF-8. JSON and keys do not have one, and
 * readers of text keep it as U+FEFF.
 */
export function withoutByteOrderMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

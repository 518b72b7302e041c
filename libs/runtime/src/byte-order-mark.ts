/**
 * Removes the byte order mark that some editors write before UTF-8. Node keeps it as U+FEFF, which JSON and keys must not
 * contain.
 */
export function withoutByteOrderMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

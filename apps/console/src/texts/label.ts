/** The text for a word of the API. A word without a text, such as that of a newer version, is shown with spaces. */
export function labelOf(labels: Readonly<Record<string, string>>, word: string): string {
  const label = Object.hasOwn(labels, word) ? labels[word] : undefined;
  return (
    label ??
    word
      .replace(/[._-]+/g, ' ')
      .trim()
      .toLowerCase()
  );
}

/** Personal data of a subject. */
export interface Profile {
  /** In E.164. */
  readonly phones?: readonly string[] | undefined;
  readonly displayName?: string | undefined;
  /** Language tag. */
  readonly locale?: string | undefined;
}

/** New values of a profile by field: an absent field stays unchanged, `null` clears it. */
export interface ProfileChange {
  readonly phones?: readonly string[] | undefined;
  readonly displayName?: string | null | undefined;
  readonly locale?: string | null | undefined;
}

/** A profile after a change, and the names of the fields that differ from before. */
export interface ChangedProfile {
  readonly profile: Profile;
  /** In the order of {@link Profile}; the order of telephone numbers does not matter. */
  readonly changed: readonly (keyof Profile)[];
}

/** @param before empty for a new subject */
export function changeProfile(before: Profile, change: ProfileChange): ChangedProfile {
  const phones = change.phones ?? before.phones ?? [];
  const displayName = valueOf(change.displayName, before.displayName);
  const locale = valueOf(change.locale, before.locale);
  const profile = {
    ...(phones.length === 0 ? {} : { phones }),
    ...(displayName === undefined ? {} : { displayName }),
    ...(locale === undefined ? {} : { locale }),
  };
  const differs: Readonly<Record<keyof Profile, boolean>> = {
    phones: sorted(phones) !== sorted(before.phones ?? []),
    displayName: displayName !== before.displayName,
    locale: locale !== before.locale,
  };
  return { profile, changed: (['phones', 'displayName', 'locale'] as const).filter((field) => differs[field]) };
}

function valueOf(change: string | null | undefined, before: string | undefined): string | undefined {
  return change === undefined ? before : (change ?? undefined);
}

const sorted = (phones: readonly string[]): string => [...phones].sort().join(' ');

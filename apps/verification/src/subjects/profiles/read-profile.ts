import { ArrayMaxSize, IsArray, IsOptional, IsString, Length, Matches, MaxLength, validateSync } from 'class-validator';
import { type Violation } from '@countersign/contracts';
import { toE164 } from '@countersign/normalization';
import { type ProfileChange } from './profile.decision.js';

/** The profile in a sealed payload: new values, and `null` for fields to clear. */
class SubjectProfile {
  @IsOptional() @IsArray() @ArrayMaxSize(20) @IsString({ each: true }) @MaxLength(32, { each: true }) phones?:
    string[] | null;
  @IsOptional()
  @IsString()
  @Length(1, 200)
  @Matches(/^[^\p{Cc}\p{Cs}]*$/u, { message: '$property must not hold control characters' })
  displayName?: string | null;
  @IsOptional()
  @Matches(/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$/, { message: '$property must be a language tag' })
  locale?: string | null;
}

const FIELDS = ['phones', 'displayName', 'locale'] as const;

export function isViolations<T extends object>(read: T | readonly Violation[]): read is readonly Violation[] {
  return Array.isArray(read);
}

/** Reads a profile from the fields of a decrypted payload, unchecked. Numbers become E.164. */
export function readProfile(fields: Readonly<Record<string, unknown>>): ProfileChange | readonly Violation[] {
  const given = FIELDS.filter((name) => fields[name] !== undefined).map((name) => [name, fields[name]] as const);
  const profile = Object.assign(new SubjectProfile(), Object.fromEntries(given));
  const faults = validateSync(profile, { validationError: { target: false, value: false } });
  const violations: Violation[] = faults.flatMap((fault) =>
    Object.values(fault.constraints ?? {}).map((rule) => ({ field: fault.property, rule })),
  );
  if (violations.length > 0) return violations;
  const phones = (profile.phones ?? []).map((phone, at) => {
    const number = toE164(phone);
    if (number === undefined)
      violations.push({ field: `phones[${at}]`, rule: 'must be a telephone number in E.164 form' });
    return number ?? '';
  });
  if (violations.length > 0) return violations;
  return {
    displayName: profile.displayName,
    locale: profile.locale,
    ...(profile.phones === undefined ? {} : { phones: [...new Set(phones)] }),
  };
}

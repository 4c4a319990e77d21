/** What a what-if tells: how far it is, and its report. docs/identity-api.md describes it; names are those of the answer. */
import type { NamedIdentifier } from './history.ts';

/** The numbers of today that the report is held against, and how much it names. */
export interface WhatIfFrame {
  /** The last sequence that counts; all up to there is visible. */
  readonly sequence: number;
  readonly today: { readonly version: number; readonly identifiers: number };
  /** Profiles that the report names, of each kind. */
  readonly examples: number;
}

export interface WhatIfProgress {
  readonly events: number;
  /** 0 to 1. */
  readonly share: number;
}

/** A statement between two identifiers, as it stands today and as it would. */
export interface Difference {
  readonly a: NamedIdentifier;
  readonly b: NamedIdentifier;
  /** `active` with its reason, `demoted` with the rule, `quarantined`, or `none`. */
  readonly before: string;
  readonly after: string;
}

interface BeforeAndAfter {
  readonly before: number;
  readonly after: number;
}

export interface WhatIfReport {
  readonly as_of_sequence: number;
  readonly rules_version: number;
  readonly events: number;
  readonly identifiers: BeforeAndAfter;
  readonly profiles: BeforeAndAfter & {
    readonly unchanged: number;
    readonly split: number;
    readonly merged: number;
    readonly moved: number;
  };
  readonly events_moved: number;
  readonly events_of_nobody: BeforeAndAfter;
  readonly demoted: BeforeAndAfter;
  readonly quarantined: BeforeAndAfter;
  readonly blocked_values: number;
  readonly operator_commands: { readonly restated: number; readonly without_effect: number };
  readonly largest: {
    readonly before: readonly { readonly profile: string; readonly anchors: number }[];
    readonly after: readonly {
      readonly anchors: number;
      readonly identifiers: readonly NamedIdentifier[];
    }[];
  };
  readonly split: readonly {
    readonly profile: string;
    readonly events: number;
    readonly part_count: number;
    readonly parts: readonly PartExample[];
    readonly because: readonly Difference[];
  }[];
  readonly merged: readonly (PartExample & {
    readonly profile_count: number;
    readonly profiles: readonly { readonly profile: string; readonly events: number }[];
    readonly because: readonly Difference[];
  })[];
}

/** A profile as it would be. */
export interface PartExample {
  readonly events: number;
  readonly identifier_count: number;
  readonly identifiers: readonly NamedIdentifier[];
}

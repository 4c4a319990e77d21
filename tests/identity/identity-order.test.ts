/** People whose identifiers do not conflict come out the same in whatever order their events arrive. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { TestEngine, type TestEvent } from '../support/engine-fixture.ts';

interface Sighting {
  readonly person: number;
  readonly hasUser: boolean;
  readonly hasEmail: boolean;
  readonly hasPhone: boolean;
  readonly device: number;
}

/**
 * An event of a person with some of their identifiers; `world` keeps runs apart. Whoever has any strong
 * identifier has the email: a device seen with two people who never met in one event changes hands, and
 * whose it is then does depend on the order.
 */
function eventOf(
  { person, hasUser, hasEmail, hasPhone, device }: Sighting,
  world: string,
): TestEvent {
  return {
    type: 'identify',
    anonymousId: `device ${device} of ${person} ${world}`,
    ...(hasUser && { userId: `user ${person} ${world}` }),
    traits: {
      ...((hasEmail || hasUser || hasPhone) && { email: `${person}.${world}@mail.example` }),
      ...(hasPhone && { phone: `+${person + 1}${world.replace(/\D/g, '')}` }),
    },
  };
}

/** For each sighting the first one of the same person. */
function togetherness(engine: TestEngine, sightings: readonly Sighting[], world: string): number[] {
  const { identity } = engine.tenant;
  const profiles = sightings.map((sighting) =>
    identity.profileOf('anonymous_id', String(eventOf(sighting, world)['anonymousId'])),
  );
  return profiles.map((profile) => profiles.indexOf(profile));
}

const anySighting: fc.Arbitrary<Sighting> = fc.record({
  person: fc.nat(3),
  hasUser: fc.boolean(),
  hasEmail: fc.boolean(),
  hasPhone: fc.boolean(),
  device: fc.nat(3),
});

test('any order of edges that do not conflict gives one result', async (context) => {
  const engine = await TestEngine.open(context, new MemoryFileSystem());
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc
        .array(anySighting, { minLength: 2, maxLength: 30 })
        .chain((sightings) =>
          fc.tuple(
            fc.constant(sightings),
            fc.shuffledSubarray(sightings, { minLength: sightings.length }),
          ),
        ),
      async ([sightings, shuffled]) => {
        run += 1;
        const worlds = [`${run}001`, `${run}002`] as const;
        await engine.send(sightings.map((sighting) => eventOf(sighting, worlds[0])));
        await engine.send(shuffled.map((sighting) => eventOf(sighting, worlds[1])));
        assert.deepEqual(
          togetherness(engine, sightings, worlds[1]),
          togetherness(engine, sightings, worlds[0]),
        );
      },
    ),
    { numRuns: 100 },
  );
});

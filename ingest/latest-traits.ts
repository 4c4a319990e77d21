/**
 * The SQL that reads traits off the calls that said them: of each trait the latest, by event time, then by
 * sequence, then by its place among repeated keys of one call.
 *
 * @param type of the calls. The relation `own` has them, with sequence, timestamp, type, source and traits.
 * @returns a SELECT of sequence, timestamp, source, trait and value, a row for each trait.
 */
export function latestTraits(type: 'identify' | 'group'): string {
  return `
    SELECT sequence, timestamp, source, trait, value::VARCHAR AS value FROM (
      SELECT *, unnest(json_keys(traits)) AS trait, unnest(json_extract(traits, '$.*')) AS value,
        generate_subscripts(json_keys(traits), 1) AS place
      FROM own WHERE type = '${type}')
    QUALIFY row_number() OVER (
      PARTITION BY trait ORDER BY timestamp DESC, sequence DESC, place DESC) = 1`;
}

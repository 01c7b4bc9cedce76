/**
 * What a number field begins with that will hold more than 31 bits: an address, a time, a size. It is 0.
 *
 * V8 chooses how a field is kept by its first value. One that begins with 0, a small integer, changes the shape of its
 * class when a large number comes: code that was compiled for the old shape is thrown away, and places that have met both
 * shapes (and those of each further field) are slow from then on. What is read from an array of doubles is a double, also 0.
 */
export const WIDE: number = new Float64Array(1)[0]!;

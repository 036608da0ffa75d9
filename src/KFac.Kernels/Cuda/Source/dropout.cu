// Dropout: a thread makes the four random numbers of a Philox block and uses them for all seeds.
#include "element_grid.cuh"
#include "philox.cuh"

struct DropoutArguments {
    const float* x;
    float* y;
    kfac::PhiloxKeyArguments key;
    long long x_stride;
    long long y_stride;
    long long length;  // elements of a seed
    int columns;       // of x, or all elements of a seed where rows follow each other without gaps
    int seed_rows;     // rows of x from one seed to the next; a seed without gaps counts as one row
    int seeds;
    int packed;  // whether four elements from a multiple of four on lie in one row, at multiples of 16 bytes
    float rate;
    float scale;
};

KFAC_KERNEL(dropout, DropoutArguments, 256) {
    kfac::for_each_philox_block(args.key, 0, args.length, [&](long long first, const kfac::PhiloxBlock& block) {
        bool kept[4];
        for (int k = 0; k < 4; k++) {
            kept[k] = !(kfac::uniform(block.word[k]) < args.rate);
        }

        for (int seed = 0; seed < args.seeds; seed++) {
            const long long row = static_cast<long long>(seed) * args.seed_rows + first / args.columns;
            const int column = static_cast<int>(first % args.columns);
            if (args.packed != 0 && first + 4 <= args.length) {
                auto v = kfac::load(kfac::Width<4>(), args.x + row * args.x_stride + column);
                for (int k = 0; k < 4; k++) {
                    v.at[k] = kept[k] ? args.scale * v.at[k] : 0.0f;
                }

                kfac::store(args.y + row * args.y_stride + column, v);
                continue;
            }

            for (int k = 0; k < 4 && first + k < args.length; k++) {
                const long long at = static_cast<long long>(seed) * args.seed_rows + (first + k) / args.columns;
                const int j = static_cast<int>((first + k) % args.columns);
                args.y[at * args.y_stride + j] = kept[k] ? args.scale * args.x[at * args.x_stride + j] : 0.0f;
            }
        }
    });
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><c>C ← α·XᵀX + β·C</c> of few rows and many columns, where writing C costs more than computing it.</summary>
/// <remarks>
/// All of X is packed first, by panels that every task then reads from the cache. A task takes a row of square blocks left of
/// the diagonal. Of a block a vector's number of rows is computed in the first-level cache, and goes from there to C twice, as it is and
/// transposed (<see cref="SlabWriter{TSimd, TVector, TStore}"/>), so that C is touched once and memory takes what is written while the next rows are computed:
/// <see cref="GramBand{TTile}"/> writes the lower triangle, and mirrors it when it has left the cache. A large C that is not read is
/// written past the caches, which saves reading the lines that it overwrites.
/// Every element is one sum in the order of the rows, as in <see cref="GramBand{TTile}"/>.
/// <para>
/// Measured on two threads of an AMD EPYC with AVX-512, against bands and mirroring in alternating runs: the reduced factor of
/// [8, 1024, 3072] 4.3 and 3.4 ms, of 32 images of 256×8×8 under a 3×3 kernel 1.7 and 1.4 ms, of
/// 64 rows of 1536 0.59 and 0.48, of 100 rows of 1024 0.52 and 0.36 ms; of 100 rows of 1000 and 128 of 768 it is 17% slower.
/// 32 rows of 2304 took 0.68 ms with whole blocks written at a time, now 0.57; the products alone take 0.43 (at the limit of multiply-adds 0.35), the
/// writing alone 0.29. Writing a slab in two parts between the tiles of the next is 3% faster at the most; through the caches it is a quarter slower.
/// </para>
/// </remarks>
internal static unsafe class FlatGram
{
    /// <summary>Rows up to which writing is most of the work, and columns from which on it is worth it.</summary>
    private const int FewRows = 48;

    private const int LeastColumns = 480;

    /// <summary>Rows up to which it is worth it for many columns that are whole vectors.</summary>
    private const int SomeRows = 64;

    private const int ManyColumns = 768;

    private const int WholeVector = 16;

    /// <summary>Rows up to which it is worth it where rows of C are whole pages apart: mirroring writes to few sets of the cache.</summary>
    private const int RowsWhereMirroringCollides = 128;

    private const int ColumnsInPage = 1024;

    /// <summary>Bytes of C that no cache keeps until somebody reads them.</summary>
    private const long BytesPastCaches = 4 << 20;

    /// <summary>Whether C is large and its sums are short.</summary>
    public static bool Suits(GramRows rows) => rows.Rows > 0 && !rows.AppendOnes && rows.Rows <= MostRows(rows.Width);

    /// <summary>Computes C; α is not 0.</summary>
    /// <param name="rows">As <see cref="Suits"/> wants them.</param>
    public static void Accumulate(CpuDevice device, GramRows rows, float alpha, float beta, float* c, long ldc)
    {
        switch (device.Vectors)
        {
            case VectorWidth.Avx512:
                Accumulate<GemmTile512, Simd512, Vector512<float>>(device, rows, alpha, beta, c, ldc);
                break;
            case VectorWidth.Avx2:
                Accumulate<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>(device, rows, alpha, beta, c, ldc);
                break;
            default:
                Accumulate<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>(device, rows, alpha, beta, c, ldc);
                break;
        }
    }

    private static void Accumulate<TTile, TSimd, TVector>(
        CpuDevice device, GramRows rows, float alpha, float beta, float* c, long ldc)
        where TTile : struct, IGemmTile
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int panels = (rows.Width + TTile.Columns - 1) / TTile.Columns;
        using ScratchLease lease = device.Scratch.Rent((long)panels * TTile.Columns * rows.Rows * sizeof(float));
        var job = new Job(device, rows, panels, lease.As<float>(), alpha, beta, c, ldc);
        device.Workers.Run(panels, &Job.Pack<TTile>, Unsafe.AsPointer(ref job));
        device.Workers.Run(panels, &Job.Run<TTile, TSimd, TVector>, Unsafe.AsPointer(ref job));
    }

    private static int MostRows(int width) => width < LeastColumns ? 0
        : width % ColumnsInPage == 0 ? RowsWhereMirroringCollides
        : width >= ManyColumns && width % WholeVector == 0 ? SomeRows
        : FewRows;

    private readonly struct Job(CpuDevice device, GramRows rows, int panels, float* packed, float alpha, float beta, float* c, long ldc)
    {
        public static void Pack<TTile>(void* context, int task)
            where TTile : struct, IGemmTile => Unsafe.AsRef<Job>(context).PackPanel<TTile>(task);

        public static void Run<TTile, TSimd, TVector>(void* context, int task)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => Unsafe.AsRef<Job>(context).RunTask<TTile, TSimd, TVector>(task);

        private void PackPanel<TTile>(int panel)
            where TTile : struct, IGemmTile => TTile.Pack(Panel<TTile>(panel), rows.Rows, Columns<TTile>(panel), rows.X.From(0, panel * TTile.Columns));

        private float* Panel<TTile>(int panel)
            where TTile : struct, IGemmTile => packed + ((long)panel * TTile.Columns * rows.Rows);

        private int Columns<TTile>(int panel)
            where TTile : struct, IGemmTile => Math.Min(TTile.Columns, rows.Width - (panel * TTile.Columns));

        private void RunTask<TTile, TSimd, TVector>(int task)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            // The longest row of blocks first.
            int row = panels - 1 - task;
            using ScratchLease lease = device.Scratch.Rent(2L * TTile.Columns * TTile.Columns * sizeof(float));
            float* block = lease.As<float>();
            float* slab = block + (TTile.Columns * TTile.Columns);
            bool past = beta == 0 && (long)rows.Width * rows.Width * sizeof(float) >= BytesPastCaches
                && ldc % TSimd.Count == 0 && (nuint)c % (nuint)sizeof(TVector) == 0;
            int height = Columns<TTile>(row);
            float* left = c + (row * TTile.Columns * ldc);
            for (int column = 0; column < row; column++)
            {
                float* target = left + (column * TTile.Columns);
                float* mirrored = c + (column * TTile.Columns * ldc) + (row * TTile.Columns);
                for (int i = 0; i < height; i += TSimd.Count)
                {
                    int some = Math.Min(TSimd.Count, height - i);
                    Compute<TTile>(Panel<TTile>(row) + i, Panel<TTile>(column), TSimd.Count, slab);
                    AddOld<TTile>(some, TTile.Columns, target + (i * ldc), slab);
                    WriteSlab<TTile, TSimd, TVector>(slab, some, past, target + (i * ldc), mirrored + i);
                }
            }

            Compute<TTile>(Panel<TTile>(row), Panel<TTile>(row), TTile.Columns, block);
            float* corner = left + (row * TTile.Columns);
            if (beta != 0)
            {
                AddOld<TTile>(height, height, corner, block);
                MirrorLower<TTile>(height, block);
            }

            Write<TSimd, TVector>(block, TTile.Columns, height, height, past, corner);
        }

        /// <summary>Some rows of a block, whole tiles.</summary>
        private void Compute<TTile>(float* a, float* b, int height, float* block)
            where TTile : struct, IGemmTile
        {
            for (int i = 0; i < height; i += TTile.Rows)
            {
                TTile.Multiply(rows.Rows, a + i, TTile.Columns, b, alpha, 0, block + (i * TTile.Columns), TTile.Columns);
            }
        }

        /// <summary>Brings some rows of a block to their places left of the diagonal and, transposed, above it.</summary>
        private void WriteSlab<TTile, TSimd, TVector>(float* slab, int height, bool past, float* target, float* mirrored)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            if (height < TSimd.Count)
            {
                float* transposed = slab + (TSimd.Count * TTile.Columns);
                PanelTranspose<TSimd, TVector>.Run(transposed, TSimd.Count, TTile.Columns, height, new StridedMatrix(slab, 1, TTile.Columns));
                Write<TSimd, TVector>(slab, TTile.Columns, height, TTile.Columns, past, target);
                Write<TSimd, TVector>(transposed, TSimd.Count, TTile.Columns, height, past, mirrored);
            }
            else if (past)
            {
                SlabWriter<TSimd, TVector, StreamingStore>.Write(slab, TTile.Columns, target, mirrored, ldc);
            }
            else
            {
                SlabWriter<TSimd, TVector, CachedStore>.Write(slab, TTile.Columns, target, mirrored, ldc);
            }
        }

        private void AddOld<TTile>(int height, int width, float* old, float* block)
            where TTile : struct, IGemmTile
        {
            for (int i = 0; i < height && beta != 0; i++)
            {
                for (int j = 0; j < width; j++)
                {
                    block[(i * TTile.Columns) + j] += beta * old[(i * ldc) + j];
                }
            }
        }

        private static void MirrorLower<TTile>(int size, float* block)
            where TTile : struct, IGemmTile
        {
            for (int i = 0; i < size; i++)
            {
                for (int j = 0; j < i; j++)
                {
                    block[(j * TTile.Columns) + i] = block[(i * TTile.Columns) + j];
                }
            }
        }

        private void Write<TSimd, TVector>(float* block, int stride, int height, int width, bool past, float* target)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            for (int i = 0; i < height; i++)
            {
                int j = 0;
                for (; past && j + TSimd.Count <= width; j += TSimd.Count)
                {
                    TSimd.StoreStreaming(TSimd.Load(block + j), target + j);
                }

                for (; j + TSimd.Count <= width; j += TSimd.Count)
                {
                    TSimd.Store(TSimd.Load(block + j), target + j);
                }

                if (j < width)
                {
                    TSimd.StorePartial(TSimd.Load(block + j), target + j, width - j);
                }

                block += stride;
                target += ldc;
            }
        }
    }
}

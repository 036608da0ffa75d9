using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Register tiles of the triangular kernels: a product of packed panels, added to C in registers from the start.</summary>
/// <remarks>
/// As <see cref="IGemmTile"/>, three vectors of B meet one broadcast element of A at a time, but there is no
/// scaling: a step of the Cholesky sweep is short (<c>k</c> at most 96), where α and β cost a few per cent. The sum over k
/// starts from zero and meets C once; starting from C saves nothing and made inverses of n = 1024 ten times less accurate. Element (i, p) of A is <c>a[p·strideA + i]</c>, element (p, j) of B is
/// <c>b[p·3·Count + j]</c>, element (i, j) of C is <c>c[i·ldc + j]</c>.
/// </remarks>
internal static unsafe class PanelProduct<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary><c>C ← C + AB</c> for the first <paramref name="thirds"/> vectors of columns.</summary>
    /// <param name="rows">8 or 4.</param>
    public static void Add(int rows, int thirds, int k, float* a, int strideA, float* b, float* c, long ldc)
    {
        switch (thirds)
        {
            case 1:
                Add<OneVector>(rows, k, a, strideA, b, c, ldc);
                break;
            case 2:
                Add<TwoVectors>(rows, k, a, strideA, b, c, ldc);
                break;
            default:
                Add<ThreeVectors>(rows, k, a, strideA, b, c, ldc);
                break;
        }
    }

    private static void Add<TThirds>(int rows, int k, float* a, int strideA, float* b, float* c, long ldc)
        where TThirds : struct, ITileVectors
    {
        if (rows == 8)
        {
            AddEightRows<TThirds>(k, a, strideA, b, c, ldc);
        }
        else
        {
            AddFourRows<TThirds>(k, a, strideA, b, c, ldc);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddEightRows<TThirds>(int k, float* a, int strideA, float* b, float* c, long ldc)
        where TThirds : struct, ITileVectors
    {
        float* row0 = c;
        float* row1 = row0 + ldc;
        float* row2 = row1 + ldc;
        float* row3 = row2 + ldc;
        float* row4 = row3 + ldc;
        float* row5 = row4 + ldc;
        float* row6 = row5 + ldc;
        float* row7 = row6 + ldc;
        TVector c00 = TSimd.Zero, c01 = TSimd.Zero, c02 = TSimd.Zero;
        TVector c10 = TSimd.Zero, c11 = TSimd.Zero, c12 = TSimd.Zero;
        TVector c20 = TSimd.Zero, c21 = TSimd.Zero, c22 = TSimd.Zero;
        TVector c30 = TSimd.Zero, c31 = TSimd.Zero, c32 = TSimd.Zero;
        TVector c40 = TSimd.Zero, c41 = TSimd.Zero, c42 = TSimd.Zero;
        TVector c50 = TSimd.Zero, c51 = TSimd.Zero, c52 = TSimd.Zero;
        TVector c60 = TSimd.Zero, c61 = TSimd.Zero, c62 = TSimd.Zero;
        TVector c70 = TSimd.Zero, c71 = TSimd.Zero, c72 = TSimd.Zero;
        for (int step = 0; step < k; step++)
        {
            TVector b0 = TSimd.Load(b);
            TVector b1 = TThirds.Count > 1 ? TSimd.Load(b + TSimd.Count) : TSimd.Zero;
            TVector b2 = TThirds.Count > 2 ? TSimd.Load(b + (2 * TSimd.Count)) : TSimd.Zero;
            Add<TThirds>(a[0], b0, b1, b2, ref c00, ref c01, ref c02);
            Add<TThirds>(a[1], b0, b1, b2, ref c10, ref c11, ref c12);
            Add<TThirds>(a[2], b0, b1, b2, ref c20, ref c21, ref c22);
            Add<TThirds>(a[3], b0, b1, b2, ref c30, ref c31, ref c32);
            Add<TThirds>(a[4], b0, b1, b2, ref c40, ref c41, ref c42);
            Add<TThirds>(a[5], b0, b1, b2, ref c50, ref c51, ref c52);
            Add<TThirds>(a[6], b0, b1, b2, ref c60, ref c61, ref c62);
            Add<TThirds>(a[7], b0, b1, b2, ref c70, ref c71, ref c72);
            a += strideA;
            b += 3 * TSimd.Count;
        }

        AddTo<TThirds>(row0, c00, c01, c02);
        AddTo<TThirds>(row1, c10, c11, c12);
        AddTo<TThirds>(row2, c20, c21, c22);
        AddTo<TThirds>(row3, c30, c31, c32);
        AddTo<TThirds>(row4, c40, c41, c42);
        AddTo<TThirds>(row5, c50, c51, c52);
        AddTo<TThirds>(row6, c60, c61, c62);
        AddTo<TThirds>(row7, c70, c71, c72);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddFourRows<TThirds>(int k, float* a, int strideA, float* b, float* c, long ldc)
        where TThirds : struct, ITileVectors
    {
        float* row0 = c;
        float* row1 = row0 + ldc;
        float* row2 = row1 + ldc;
        float* row3 = row2 + ldc;
        TVector c00 = TSimd.Zero, c01 = TSimd.Zero, c02 = TSimd.Zero;
        TVector c10 = TSimd.Zero, c11 = TSimd.Zero, c12 = TSimd.Zero;
        TVector c20 = TSimd.Zero, c21 = TSimd.Zero, c22 = TSimd.Zero;
        TVector c30 = TSimd.Zero, c31 = TSimd.Zero, c32 = TSimd.Zero;
        for (int step = 0; step < k; step++)
        {
            TVector b0 = TSimd.Load(b);
            TVector b1 = TThirds.Count > 1 ? TSimd.Load(b + TSimd.Count) : TSimd.Zero;
            TVector b2 = TThirds.Count > 2 ? TSimd.Load(b + (2 * TSimd.Count)) : TSimd.Zero;
            Add<TThirds>(a[0], b0, b1, b2, ref c00, ref c01, ref c02);
            Add<TThirds>(a[1], b0, b1, b2, ref c10, ref c11, ref c12);
            Add<TThirds>(a[2], b0, b1, b2, ref c20, ref c21, ref c22);
            Add<TThirds>(a[3], b0, b1, b2, ref c30, ref c31, ref c32);
            a += strideA;
            b += 3 * TSimd.Count;
        }

        AddTo<TThirds>(row0, c00, c01, c02);
        AddTo<TThirds>(row1, c10, c11, c12);
        AddTo<TThirds>(row2, c20, c21, c22);
        AddTo<TThirds>(row3, c30, c31, c32);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TThirds>(float a, TVector b0, TVector b1, TVector b2, ref TVector c0, ref TVector c1, ref TVector c2)
        where TThirds : struct, ITileVectors
    {
        TVector left = TSimd.Create(a);
        c0 = TSimd.MultiplyAdd(left, b0, c0);
        if (TThirds.Count > 1)
        {
            c1 = TSimd.MultiplyAdd(left, b1, c1);
        }

        if (TThirds.Count > 2)
        {
            c2 = TSimd.MultiplyAdd(left, b2, c2);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddTo<TThirds>(float* c, TVector c0, TVector c1, TVector c2)
        where TThirds : struct, ITileVectors
    {
        TSimd.Store(TSimd.Add(TSimd.Load(c), c0), c);
        if (TThirds.Count > 1)
        {
            TSimd.Store(TSimd.Add(TSimd.Load(c + TSimd.Count), c1), c + TSimd.Count);
        }

        if (TThirds.Count > 2)
        {
            TSimd.Store(TSimd.Add(TSimd.Load(c + (2 * TSimd.Count)), c2), c + (2 * TSimd.Count));
        }
    }
}

namespace KFac.Kernels.Cpu;

/// <summary>What the triangular kernels do with packed panels of <see cref="Columns"/> columns: element (p, j) at <c>p·Columns + j</c>.</summary>
/// <typeparam name="T">float or double.</typeparam>
internal unsafe interface IPanelTile<T>
    where T : unmanaged
{
    /// <summary>Rows of a tile; divides <see cref="Columns"/>.</summary>
    static abstract int Rows { get; }

    /// <summary>Columns of a tile and width of a panel; divides <see cref="PanelSolve.ShallowDepth"/>.</summary>
    static abstract int Columns { get; }

    /// <summary>Thirds of a panel that hold its first <paramref name="columns"/> columns.</summary>
    static abstract int ThirdsOf(int columns);

    /// <summary><c>C ← C + AB</c>, the first thirds of one tile; the others are undefined or unchanged.</summary>
    /// <param name="a">Element (i, p) of A is <c>a[p·strideA + i]</c>.</param>
    /// <param name="b">A panel of k rows.</param>
    /// <param name="c">Rows lie <see cref="Columns"/> apart.</param>
    static abstract void Add(int thirds, int k, T* a, int strideA, T* b, T* c);

    /// <summary><c>Y ← −U⁻ᵀ·Y</c> for one tile's rows of the first thirds of a panel.</summary>
    /// <param name="u">[Rows, Rows], row-major, with <c>−1/uᵢᵢ</c> on the diagonal.</param>
    static abstract void Forward(int thirds, T* u, T* y);

    /// <summary><c>Y ← −U⁻¹·Y</c> for one tile's rows of the first thirds of a panel; U as in <see cref="Forward"/>.</summary>
    static abstract void Backward(int thirds, T* u, T* y);

    /// <summary><c>target[j·targetStride + i] ← source[i·sourceStride + j]</c> for i &lt; rows, j &lt; columns.</summary>
    static abstract void Transpose(T* source, long sourceStride, int rows, int columns, T* target, long targetStride);

    /// <summary>Writes elements to a float32 matrix.</summary>
    /// <param name="pastCaches">Whether nobody reads them soon; the target is then at a multiple of a vector.</param>
    static abstract void Write(T* source, int count, float* target, bool pastCaches);
}

/// <summary>float32 panels, three vectors wide, as high as the registers allow.</summary>
internal readonly unsafe struct PanelTile<TTile, TSimd, TVector> : IPanelTile<float>
    where TTile : struct, IGemmTile
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static int Rows => TTile.Rows;

    public static int Columns => TTile.Columns;

    public static int ThirdsOf(int columns) => (columns + TSimd.Count - 1) / TSimd.Count;

    public static void Add(int thirds, int k, float* a, int strideA, float* b, float* c) =>
        PanelProduct<TSimd, TVector>.Add(Rows, thirds, k, a, strideA, b, c, Columns);

    public static void Forward(int thirds, float* u, float* y) => PanelSubstitution<TSimd, TVector>.Forward(Rows, thirds, u, y);

    public static void Backward(int thirds, float* u, float* y) => PanelSubstitution<TSimd, TVector>.Backward(Rows, thirds, u, y);

    public static void Transpose(float* source, long sourceStride, int rows, int columns, float* target, long targetStride) =>
        PanelTranspose<TSimd, TVector>.Run(target, targetStride, columns, rows, new StridedMatrix(source, 1, sourceStride));

    public static void Write(float* source, int count, float* target, bool pastCaches)
    {
        int j = 0;
        for (; pastCaches && j + TSimd.Count <= count; j += TSimd.Count)
        {
            TSimd.StoreStreaming(TSimd.Load(source + j), target + j);
        }

        for (; j + TSimd.Count <= count; j += TSimd.Count)
        {
            TSimd.Store(TSimd.Load(source + j), target + j);
        }

        for (; j < count; j++)
        {
            target[j] = source[j];
        }
    }
}

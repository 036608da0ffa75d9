namespace KFac.Kernels.Cpu;

/// <summary>What says how good an eigenbasis V is without a product of matrices: sketches with a few columns Ω of signs.</summary>
internal readonly unsafe struct WarmEigenChecks<TSimd, TVector>(ItemThreads threads, int n, WarmEigenMemory memory)
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private readonly ItemThreads _threads = threads;
    private readonly int _n = n;
    private readonly WarmEigenMemory _memory = memory;

    /// <summary>An estimate of <c>‖VᵀV − I‖</c> from the signs Ω; leaves VΩ in the first sketch. The blocks of the workspace are lost.</summary>
    public double OrthogonalityError(StridedMatrix v)
    {
        SignSketch<TSimd, TVector>.MultiplyNormal(
            _threads, (float*)v.Data, v.RowStride, _n, _n, _memory.Signs, _memory.Sketch(0), _memory.Sketch(1), _memory.Block(0));
        return SignSketch<TSimd, TVector>.Distance(_n, _memory.Sketch(1), _memory.Signs);
    }

    /// <summary>An estimate of <c>‖AV − V·diag(w)‖</c> for the results, after <see cref="OrthogonalityError"/> of the same V.</summary>
    public double ResidualError(StridedMatrix v)
    {
        float* scaled = _memory.Sketch(1);
        for (int i = 0; i < _n; i++)
        {
            TVector value = TSimd.Create((float)_memory.Sorted[i]);
            for (int s = 0; s < SignSketch<TSimd, TVector>.Count; s += TSimd.Count)
            {
                int at = (i * SignSketch<TSimd, TVector>.Count) + s;
                TSimd.Store(TSimd.Multiply(value, TSimd.Load(_memory.Signs + at)), scaled + at);
            }
        }

        SignSketch<TSimd, TVector>.Multiply(_threads, _memory.Matrix, _memory.Stride, _n, _n, _memory.Sketch(0), _memory.Sketch(2));
        SignSketch<TSimd, TVector>.Multiply(_threads, (float*)v.Data, v.RowStride, _n, _n, scaled, _memory.Sketch(3));
        return SignSketch<TSimd, TVector>.Distance(_n, _memory.Sketch(2), _memory.Sketch(3));
    }
}

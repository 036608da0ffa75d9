using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Where many small transforms of vectors of channels read and write; a real part and its imaginary part are a distance apart.</summary>
/// <remarks>A point is at <c>source + gather[·]</c>, its imaginary part <see cref="ImageSpectrum.Lanes"/> elements behind; a frequency at
/// <c>target + scatter[·]·stride</c>, its imaginary part <c>imaginary</c> elements behind.</remarks>
internal unsafe readonly struct DftLines(float* source, int* gather, float* target, int* scatter, long stride, long imaginary, int count)
{
    public float* Source => source;

    public int* Gather => gather;

    public float* Target => target;

    public int* Scatter => scatter;

    public long Stride => stride;

    public long Imaginary => imaginary;

    /// <summary>Transforms; the tables go on from one to the next.</summary>
    public int Count => count;
}

/// <summary>Discrete Fourier transforms <c>X[f] = Σ x[p]·exp(−2πi·f·p/n)</c> of 1, 2, 3, 4, 5, 8 and 9 points, held in registers.</summary>
internal static unsafe class SmallDft
{
    public static void Run<TSimd, TVector>(int points, in DftLines lines)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        for (int lane = 0; lane < ImageSpectrum.Lanes; lane += TSimd.Count)
        {
            switch (points)
            {
                case 1:
                    Loop<Dft1<TSimd, TVector>, TSimd, TVector>(lines, lane);
                    break;
                case 2:
                    Loop<Dft2<TSimd, TVector>, TSimd, TVector>(lines, lane);
                    break;
                case 3:
                    Loop<Dft3<TSimd, TVector>, TSimd, TVector>(lines, lane);
                    break;
                case 4:
                    Loop<Dft4<TSimd, TVector>, TSimd, TVector>(lines, lane);
                    break;
                case 5:
                    Loop<Dft5<TSimd, TVector>, TSimd, TVector>(lines, lane);
                    break;
                case 8:
                    Loop<Dft8<TSimd, TVector>, TSimd, TVector>(lines, lane);
                    break;
                default:
                    Loop<Dft9<TSimd, TVector>, TSimd, TVector>(lines, lane);
                    break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Loop<TDft, TSimd, TVector>(in DftLines lines, int lane)
        where TDft : struct, ISmallDft
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float* source = lines.Source + lane;
        float* target = lines.Target + lane;
        int* gather = lines.Gather;
        int* scatter = lines.Scatter;
        (long stride, long imaginary) = (lines.Stride, lines.Imaginary);
        for (int line = lines.Count; line > 0; line--)
        {
            TDft.Transform(new DftPorts(source, gather, target, scatter, stride, imaginary));
            gather += TDft.Points;
            scatter += TDft.Points;
        }
    }
}

/// <summary>A transform that fits in registers.</summary>
internal interface ISmallDft
{
    static abstract int Points { get; }

    static abstract void Transform(DftPorts ports);
}

/// <summary>Where one small transform reads and writes.</summary>
internal readonly unsafe struct DftPorts(float* source, int* gather, float* target, int* scatter, long stride, long imaginary)
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Wave<TSimd, TVector> Load<TSimd, TVector>(int point)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => Wave<TSimd, TVector>.Load(source + gather[point], ImageSpectrum.Lanes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store<TSimd, TVector>(int frequency, Wave<TSimd, TVector> value)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => value.Store(target + (scatter[frequency] * stride), imaginary);
}

namespace KFac.Kernels.Cpu;

/// <summary><c>factor·(x − shift)</c>.</summary>
internal readonly struct ShiftScaleMap(float shift, float factor) : IElementMap
{
    public static int Loads => 1;

    public static int Stores => 2;

    public void Apply<TSimd, TVector>(ref TVector x, ref TVector y, ref TVector x2, ref TVector x3)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged => y = TSimd.Multiply(TSimd.Create(factor), TSimd.Subtract(x, TSimd.Create(shift)));
}

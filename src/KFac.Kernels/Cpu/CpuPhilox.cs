namespace KFac.Kernels.Cpu;

/// <summary><see cref="Philox"/> on the CPU.</summary>
internal sealed unsafe class CpuPhilox : IPhiloxKernel
{
    public void Uniform(PhiloxKey key, ulong offset, VectorView<float> y)
    {
        for (int i = 0; i < y.Length; i++)
        {
            y.Pointer[i] = PhiloxBlock.Uniform(Word(key, offset + (ulong)i));
        }
    }

    public void Normal(PhiloxKey key, ulong offset, VectorView<float> y)
    {
        for (int i = 0; i < y.Length; i++)
        {
            ulong pair = offset + (ulong)(i & ~1);
            (float cosine, float sine) = BoxMuller.Pair(Word(key, pair), Word(key, pair + 1));
            y.Pointer[i] = i % 2 == 0 ? cosine : sine;
        }
    }

    private static uint Word(PhiloxKey key, ulong number) => PhiloxBlock.At(key, number / 4).Word((int)(number % 4));
}

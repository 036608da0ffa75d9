namespace KFac.Kernels.Cpu;

/// <summary><see cref="Clipping"/> on the CPU.</summary>
internal sealed unsafe class CpuClipping(CpuElementwise elementwise) : IClippingKernel
{
    public void ByDivergence(VectorView<double> products, VectorView<double> learningRate, double clip, VectorView<float> factor)
    {
        double sum = 0;
        for (int i = 0; i < products.Length; i++)
        {
            sum += products.Pointer[i];
        }

        double divergence = *learningRate.Pointer * *learningRate.Pointer * sum;
        *factor.Pointer = divergence > clip ? (float)Math.Sqrt(clip / divergence) : 1;
    }

    public void Apply(VectorView<float> factor, MatrixView<float> y)
    {
        if (*factor.Pointer != 1)
        {
            elementwise.Axpby(*factor.Pointer, y, 0, y);
        }
    }
}

using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Dropout"/> on the GPU: dropout.cu.</summary>
internal sealed class CudaDropout(CudaStream stream) : IDropoutKernel
{
    public void Apply(DeviceKey key, float rate, int seedRows, MatrixView<float> x, MatrixView<float> y)
    {
        if (!x.IsEmpty)
        {
            stream.Queue.Launch(
                "dropout", "dropout", CudaPhilox.Shape((long)seedRows * x.Columns), new DropoutArguments(key, rate, seedRows, x, y));
        }
    }
}

/// <summary>Mirrors <c>DropoutArguments</c> of dropout.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct DropoutArguments
{
    public readonly nint X;
    public readonly nint Y;
    public readonly PhiloxKeyArguments Key;
    public readonly long XStride;
    public readonly long YStride;
    public readonly long Length;
    public readonly int Columns;
    public readonly int SeedRows;
    public readonly int Seeds;
    public readonly int Packed;
    public readonly float Rate;
    public readonly float Scale;

    public DropoutArguments(DeviceKey key, float rate, int seedRows, MatrixView<float> x, MatrixView<float> y)
    {
        bool contiguous = x.IsContiguous && y.IsContiguous;
        Length = (long)seedRows * x.Columns;
        (X, Y, Key) = ((nint)x.Pointer, (nint)y.Pointer, new PhiloxKeyArguments(key));
        (XStride, YStride) = contiguous ? (Length, Length) : (x.RowStride, y.RowStride);
        (Columns, SeedRows) = contiguous ? ((int)Length, 1) : (x.Columns, seedRows);
        Seeds = x.Rows / seedRows;
        bool oneRow = contiguous && Seeds == 1;
        bool wholePacks = oneRow || Columns % 4 == 0;
        bool aligned = ProductModule.IsAligned(X, oneRow ? 0 : XStride) && ProductModule.IsAligned(Y, oneRow ? 0 : YStride);
        Packed = wholePacks && aligned ? 1 : 0;
        (Rate, Scale) = (rate, 1 / (1 - rate));
    }
}

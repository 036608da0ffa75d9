using KFac.Kernels;

namespace KFac.Bench;

/// <summary>A symmetric positive definite matrix <c>X·Xᵀ/(2n)</c> of normal numbers, and room for what is computed from it.</summary>
internal sealed class SymmetricProblem : IDisposable
{
    private readonly Device _device;
    private readonly Arena _arena;

    public SymmetricProblem()
    {
        _device = Device.Open("cpu");
        _arena = new Arena(_device);
    }

    public DeviceStream Stream => _device.DefaultStream;

    public MatrixView<float> Matrix { get; private set; }

    public MatrixView<float> Result { get; private set; }

    public VectorView<float> Values { get; private set; }

    public VectorView<int> Status { get; private set; }

    public void Allocate(int size)
    {
        MatrixView<float> x = _arena.Matrix<float>(size, 2 * size);
        Matrix = _arena.Matrix<float>(size, size);
        Result = _arena.Matrix<float>(size, size);
        Values = _arena.Vector<float>(size);
        Status = _arena.Vector<int>(1);
        Philox.Normal(Stream, new PhiloxKey(1, 0), 0, x.AsVector());
        Gemm.Run(Stream, Transpose.No, Transpose.Yes, 0.5f / size, x, x, 0, Matrix);
    }

    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
    }
}

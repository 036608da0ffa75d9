using KFac.Engine;
using KFac.Kernels;

namespace OwnNetwork;

/// <summary>An application's own network, <c>y = W₂·tanh(W₁·x)</c> with the loss ½‖y − t‖², that shows itself to K-FAC.</summary>
/// <remarks>The engine asks for two things after a forward pass: the inputs of each layer, and gradients at the layers' outputs for seeds
/// that stand for the loss's curvature. It never sees a layer, only rows.</remarks>
internal sealed class TwoLayers : ICurvatureModel, IDisposable
{
    private readonly DeviceStream _stream;
    private readonly Arena _arena;
    private readonly Arena _step;
    private readonly int[] _widths;
    private MatrixView<float> _x;
    private MatrixView<float> _z;
    private MatrixView<float> _h;
    private MatrixView<float> _y;

    public TwoLayers(Device device, params int[] widths)
    {
        _stream = device.DefaultStream;
        _arena = new Arena(device);
        _step = new Arena(device);
        _widths = widths;
        Layers = [new KroneckerLayer("hidden", widths[0], widths[1], HasBias: false), new KroneckerLayer("output", widths[1], widths[2], HasBias: false)];
        int first = widths[1] * widths[0];
        int second = widths[2] * widths[1];
        Parameters = new ParameterSet(
            _arena.Vector<float>(first + second),
            _arena.Vector<float>(first + second),
            [
                new ParameterBlock("hidden.weight", Offset: 0, Rows: widths[1], Columns: widths[0], Layer: 0),
                new ParameterBlock("output.weight", Offset: first, Rows: widths[2], Columns: widths[1], Layer: 1),
            ]);
        Philox.Normal(_stream, new PhiloxKey(Seed: 0, Sequence: 1), 0, Parameters.Values);
    }

    public ParameterSet Parameters { get; }

    public IReadOnlyList<KroneckerLayer> Layers { get; }

    /// <summary>One term of the loss for each example; with one for each of R rows it would be expand.</summary>
    public SharingApproximation LossSetting => SharingApproximation.Reduce;

    public int LossTerms => _x.Rows;

    private MatrixView<float> W1 => Parameters.ValuesOf(Parameters.Blocks[0]);

    private MatrixView<float> W2 => Parameters.ValuesOf(Parameters.Blocks[1]);

    /// <summary>The outputs, [M, P]; valid until the next forward pass.</summary>
    public MatrixView<float> Forward(MatrixView<float> x)
    {
        _step.Reset();
        _x = x;
        _z = _step.Matrix<float>(x.Rows, _widths[1]);
        _h = _step.Matrix<float>(x.Rows, _widths[1]);
        _y = _step.Matrix<float>(x.Rows, _widths[2]);
        Gemm.Run(_stream, Transpose.No, Transpose.Yes, 1, x, W1, 0, _z);
        Activation.Forward(_stream, ActivationKind.Tanh, _z, _h);
        Gemm.Run(_stream, Transpose.No, Transpose.Yes, 1, _h, W2, 0, _y);
        return _y;
    }

    /// <summary>The gradients of the mean loss, and the loss; waits for the device.</summary>
    public double Backward(MatrixView<float> targets)
    {
        MatrixView<float> gy = _step.Matrix<float>(_y.Rows, _y.Columns);
        VectorView<double> sum = _step.Vector<double>(1);
        Elementwise.Copy(_stream, _y, gy);
        Elementwise.Axpby(_stream, -1, targets, 1, gy);
        Reduction.Dot(_stream, gy, gy, sum);
        double loss = _stream.Read(sum) / (2 * LossTerms);

        MatrixView<float> gz = AtHidden(gy);
        float scale = 1f / LossTerms;
        Gemm.Run(_stream, Transpose.Yes, Transpose.No, scale, gz, _x, 0, Parameters.GradientsOf(Parameters.Blocks[0]));
        Gemm.Run(_stream, Transpose.Yes, Transpose.No, scale, gy, _h, 0, Parameters.GradientsOf(Parameters.Blocks[1]));
        return loss;
    }

    public void CaptureInputs(ICaptureSink sink)
    {
        sink.Inputs(0, Rows(_x, seeds: 1));
        sink.Inputs(1, Rows(_h, seeds: 1));
    }

    /// <summary>Targets of a squared error are drawn from a normal distribution around y, so y − t is standard normal.</summary>
    public void CaptureOutputGradients(CurvatureKind kind, int samples, DeviceKey key, ICaptureSink sink)
    {
        if (kind != CurvatureKind.MonteCarlo)
        {
            throw new NotSupportedException($"This network has no gradients for {kind}; wanted MonteCarlo.");
        }

        MatrixView<float> gy = _step.Matrix<float>(samples * _y.Rows, _y.Columns);
        Philox.Normal(_stream, key, 0, gy.AsVector());
        sink.OutputGradients(1, Rows(gy, samples));
        sink.OutputGradients(0, Rows(AtHidden(gy), samples));
    }

    public void Dispose()
    {
        _step.Dispose();
        _arena.Dispose();
    }

    /// <summary><c>∂z = tanh′(z)∘(∂y·W₂)</c>, for any number of seeds.</summary>
    private MatrixView<float> AtHidden(MatrixView<float> gy)
    {
        MatrixView<float> gz = _step.Matrix<float>(gy.Rows, _widths[1]);
        Gemm.Run(_stream, Transpose.No, Transpose.No, 1, gy, W2, 0, gz);
        Activation.Backward(_stream, ActivationKind.Tanh, _z, _h, gz, gz);
        return gz;
    }

    /// <summary>M examples without weight sharing; gradients are those of the loss summed over its terms, so their scale is 1.</summary>
    private LayerRows Rows(MatrixView<float> rows, int seeds) => new(rows, _x.Rows, Sharing: 1, Segments: null, seeds, Scale: 1);
}

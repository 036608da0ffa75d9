using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Clips gradients by their global norm: <c>g ← g·min(1, c/‖g‖)</c> over all parameters together.</summary>
public sealed class GradientClipping : IDisposable
{
    private readonly DeviceStream _stream;
    private readonly Arena _arena;
    private readonly VectorView<double> _square;
    private readonly NonFiniteGuard _guard;

    /// <summary>Clips to <paramref name="maximumNorm"/>.</summary>
    /// <param name="maximumNorm">c, above 0.</param>
    /// <exception cref="ArgumentException">The norm is not a finite number above 0.</exception>
    public GradientClipping(Device device, double maximumNorm)
    {
        ArgumentNullException.ThrowIfNull(device);
        OptionCheck.Positive(maximumNorm, nameof(maximumNorm));
        _stream = device.DefaultStream;
        _arena = new Arena(device);
        _square = _arena.Vector<double>(1);
        _guard = new NonFiniteGuard(_stream, 1);
        MaximumNorm = maximumNorm;
    }

    /// <summary>c.</summary>
    public double MaximumNorm { get; }

    /// <summary>Scales the gradients in place where their norm is above the maximum.</summary>
    /// <param name="sink">What the pass that made the gradients delivered its rows to, so that they are scaled as well; null for
    /// nobody.</param>
    /// <returns>‖g‖ before clipping.</returns>
    /// <exception cref="NonFiniteCaptureException">A gradient is not finite; the gradients are untouched.</exception>
    public double Apply(ParameterSet parameters, ITrainingSink? sink = null)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        sink?.FormGradients(parameters);
        MatrixView<float> gradients = parameters.Gradients.AsMatrix(1, parameters.Gradients.Length);
        Reduction.Dot(_stream, gradients, gradients, _square);
        double norm = Math.Sqrt(_stream.Read(_square));
        if (!double.IsFinite(norm))
        {
            _guard.SearchGradients(parameters);
            _guard.ThrowIfFound();
        }

        float factor = (float)(MaximumNorm / norm);
        if (norm > MaximumNorm && sink is not null)
        {
            sink.ScaleGradients(parameters, factor);
        }
        else if (norm > MaximumNorm)
        {
            Elementwise.Axpby(_stream, factor, gradients, 0, gradients);
        }

        return norm;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _guard.Dispose();
        _arena.Dispose();
    }
}

namespace KFac.Engine;

/// <summary>A float64 dual number: a value and its derivative in one direction (forward-mode differentiation).</summary>
/// <remarks>Shares nothing with the reverse-mode tape that it is used to check.</remarks>
/// <param name="Value">The value.</param>
/// <param name="Tangent">The directional derivative.</param>
public readonly record struct Dual(double Value, double Tangent)
{
    /// <summary>A constant.</summary>
    public static implicit operator Dual(double value) => new(value, 0);

    /// <summary>Sum.</summary>
    public static Dual operator +(Dual x, Dual y) => new(x.Value + y.Value, x.Tangent + y.Tangent);

    /// <summary>Difference.</summary>
    public static Dual operator -(Dual x, Dual y) => new(x.Value - y.Value, x.Tangent - y.Tangent);

    /// <summary>Product.</summary>
    public static Dual operator *(Dual x, Dual y) => new(x.Value * y.Value, (x.Value * y.Tangent) + (x.Tangent * y.Value));

    /// <summary>Quotient.</summary>
    public static Dual operator /(Dual x, Dual y)
    {
        double quotient = x.Value / y.Value;
        return new Dual(quotient, (x.Tangent - (quotient * y.Tangent)) / y.Value);
    }

    /// <summary>eˣ.</summary>
    public static Dual Exp(Dual x)
    {
        double value = Math.Exp(x.Value);
        return new Dual(value, value * x.Tangent);
    }

    /// <summary>max(x, 0), with derivative 0 at 0.</summary>
    public static Dual Relu(Dual x) => x.Value > 0 || double.IsNaN(x.Value) ? x : default;

    /// <summary>tanh(x).</summary>
    public static Dual Tanh(Dual x)
    {
        double value = Math.Tanh(x.Value);
        return new Dual(value, (1 - (value * value)) * x.Tangent);
    }

    /// <summary>1/(1 + e⁻ˣ).</summary>
    public static Dual Sigmoid(Dual x)
    {
        double value = 1 / (1 + Math.Exp(-x.Value));
        return new Dual(value, value * (1 - value) * x.Tangent);
    }

    /// <summary>x·Φ(x) with the normal distribution function Φ.</summary>
    public static Dual Gelu(Dual x)
    {
        double distribution = NormalDistribution(x.Value);
        double density = Math.Exp(-0.5 * x.Value * x.Value) / Math.Sqrt(2 * Math.PI);
        return new Dual(x.Value * distribution, (distribution + (x.Value * density)) * x.Tangent);
    }

    /// <summary>Φ(x) = ½ + φ(x)·Σ_k x^(2k+1)/(1·3·…·(2k+1)): all terms have one sign, so nothing cancels in the sum.</summary>
    private static double NormalDistribution(double x)
    {
        if (Math.Abs(x) > 9)
        {
            return x > 0 ? 1 : 0;
        }

        double term = x;
        double sum = x;
        for (int odd = 3; Math.Abs(term) > 1e-17 * Math.Abs(sum); odd += 2)
        {
            term *= x * x / odd;
            sum += term;
        }

        return 0.5 + (sum * Math.Exp(-0.5 * x * x) / Math.Sqrt(2 * Math.PI));
    }
}
